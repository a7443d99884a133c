// Package clustertests has the tests of the Cassandra store that need clusters
// of their own, because they hurt them or fill them: nodes that are killed,
// stopped, moved or full; data centres that are gone, lag or are cut off; more
// tombstones than a node allows; and the repair of many messages. It has
// nothing but tests. Those for which one shared node is enough are beside the
// store, in package cassandra.
//
// They take long: "go test ./..." leaves them out, unless POPCASK_LONG=1 or
// -run asks for them.
//
//	go test ./internal/clustertests -run TwoDataCentres -v
//	POPCASK_TEST_DCS=dc1:3,dc2:3 go test ./internal/clustertests -run TwoDataCentres -v
//	go test ./internal/clustertests -run TestRepairAtScale -v -timeout 2h -repair.messages 1000000 -repair.nodes 3
//
// They are a package of their own so that they run at the same time as the
// others: they mostly wait.
package clustertests
