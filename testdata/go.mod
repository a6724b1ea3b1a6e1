module github.com/netpolltrace/netpolltrace/testdata

go 1.18
