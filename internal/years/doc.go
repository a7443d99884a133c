// Package years keeps P7 over time: what a delivery and an opening cost a
// mailbox whose mail came and went for five years. The unchanged code of
// packages cassandra and projection runs on the cluster in memory that package
// sim uses, on which five years pass in seconds, for the tombstones too.
//
//	go test ./internal/years -v
//	go test ./internal/years -v -timeout 0 -years.full
package years
