// Package memory is a mail store that lives in the memory of the process: for
// tests, examples and benchmarks. Its mail is gone when the [Store] is.
//
// It keeps every rule that package mailbox states, and is exact where other
// stores are free: IDs are m1, m2, m3 ... in the order of delivery over the
// whole store, so that the transcript of a session is the same in every run.
//
// # What two sessions on one mailbox see
//
// Any number of sessions may have one mailbox open. A listing is the mailbox
// at the moment the range over [mailbox.Mailbox.Messages] begins. If another
// session removes a message after that, Open returns [mailbox.ErrNotFound] for
// it and Delete succeeds; a reader that was already open can be read to its
// end.
//
// # Limits
//
// A message has at most 64 MiB unless [Store.MaxMessageSize] says otherwise;
// [Store.Quota] is off by default. A foreign unique-id is remembered after its
// message was removed, so that no later message gets an ID that equals it.
package memory
