"""What any job needs: options, worker processes, logs, atomic files, the names of files, tables."""
