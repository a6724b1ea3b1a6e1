module example.org/waiters

go 1.18
