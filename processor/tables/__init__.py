"""Tables: delivered Parquet becomes data files of an Iceberg catalog.

All of pyiceberg stays in one process of its own, since it takes 150 MB. Parquet is never written or rewritten here.

catalog_process  The catalog's process, as the daemon sees it
commit           Commit a batch to its table, once
data_files       Describe delivered objects as data files of a table
inspect          Read what a table consists of
open_catalog     Open the catalog that the settings name
program          The program of the catalog's process
requests         Requests to the catalog's process, and its answers
schema           Compare the columns of objects and tables
settings         Settings of the catalog
"""
