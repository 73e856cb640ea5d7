module hops.dev/tests/server

go 1.26
