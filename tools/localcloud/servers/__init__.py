"""Runs the servers behind the endpoints of RDS instances (PostgreSQL) and of replication groups (Valkey)."""
