module gopeer

go 1.20
