"""Tables, transactions, the inbox, the job queue and one file of queries per noun."""

from hub.storage.sqlite_library import count_no_memory

count_no_memory()
