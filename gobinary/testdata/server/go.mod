module dotless/server

go 1.18
