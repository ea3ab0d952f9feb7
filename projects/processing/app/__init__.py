"""The program of both functions, which imports nothing else of this repository.

projects/processing/package.py makes the zip that is deployed. Lambda's runtime provides botocore; fastjsonschema,
pg8000 and redis lie beside this package in the zip.
"""
