package indextest

// rule is what a failure cites: the place of the rule, and what it says.
type rule string

const (
	ruleAdded    rule = "Index.Added, Index.Restore: once the call has returned, the message is listed, once, with its size and its foreign unique-id"
	ruleTooOld   rule = "Index.Added: an ID that is Session.TooOld is ErrTooOld, and is not listed; Index.Restore takes an ID of any age"
	ruleRemoved  rule = "Index.Removed: once the call has returned, none of the messages is listed, and all others are"
	ruleForever  rule = "Index.Removed, P3: what was removed is never listed again, even if it is added again, late, or was removed before it was added"
	ruleRenamed  rule = "Index.Renamed, P5: the message is listed without a foreign unique-id from then on, whatever was or is added"
	ruleCommute  rule = "the timestamp rule, P3: calls that come twice, late or in any order leave the same entries"
	ruleNothing  rule = "Index.List: nothing that the store did not say"
	ruleMailbox  rule = "Index: each mailbox has entries of its own, which no call for another mailbox changes or lists"
	ruleOrder    rule = "Index.List: in the order of the slices, and of the IDs within each"
	ruleWhole    rule = "Index.List, Index.Scan: every entry that is there, each once, or an error"
	ruleSlice    rule = "Slice: both ends belong to it, and nothing beyond them"
	ruleIDs      rule = "Slice.IDs: of a slice that has them, those of them that are listed, in their order, and nothing that lies between them"
	ruleBucket   rule = "Index: an entry is in the bucket MessageID.Bucket of its ID, of 30 days, a day or an hour, and in no other"
	ruleLevels   rule = "Index.List: at each level, what the replicas have that a read at it asks"
	ruleLazy     rule = "Index.List, Index.Scan: a listing begins to read when it is ranged over"
	ruleBreak    rule = "iter.Seq2: a caller may leave a listing early; nothing of it runs on"
	ruleEnds     rule = "Index.List, Index.Scan: an error ends the listing"
	ruleContext  rule = "Index: if the context ends, a call does all of its work or returns an error that wraps the context's"
	ruleTokens   rule = "Index.Scan: in the order of the tokens of the buckets, and of the IDs within each bucket"
	ruleStretch  rule = "Index.Scan: the buckets whose Token is above after and at most until, and no others"
	ruleAgree    rule = "Index.Scan, Index.List: both list the same entries of a bucket"
	ruleParallel rule = "Index: safe for concurrent use"
)
