module higgins.invalid/compat/kafka-go

go 1.26.0

replace higgins.invalid/compat/golang => ../golang

require (
	github.com/segmentio/kafka-go v0.4.51
	higgins.invalid/compat/golang v0.0.0
)

require (
	github.com/klauspost/compress v1.15.9 // indirect
	github.com/pierrec/lz4/v4 v4.1.15 // indirect
)
