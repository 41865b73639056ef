"""Tables, transactions, the inbox, the job queue and one file of queries per noun."""
