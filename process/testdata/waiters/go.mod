module waiters

go 1.18
