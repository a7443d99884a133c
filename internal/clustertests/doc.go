// Package clustertests has the tests of the Cassandra store that have clusters of
// their own, because they hurt them or fill them: nodes that are killed, stopped,
// moved or full, data centres that are gone, lag behind or are cut off, more
// tombstones than a node takes, and repair of many messages. It has tests only.
// Those that need no more than one node, which they share, are beside the store,
// in package cassandra.
//
//	go test ./internal/clustertests -run TwoDataCentres -v
//	POPCASK_TEST_DCS=dc1:3,dc2:3 go test ./internal/clustertests -run TwoDataCentres -v
//	go test ./internal/clustertests -run TestRepairAtScale -v -timeout 2h -repair.messages 1000000 -repair.nodes 3
//
// They are a package of their own so that they run beside the others: most of
// their time they wait.
package clustertests
