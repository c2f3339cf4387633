module dev.mayfly/health

go 1.21
