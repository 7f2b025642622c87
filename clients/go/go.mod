module millrace/clients/go

go 1.24.0
