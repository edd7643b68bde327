module testbed.local/web

go 1.24.0
