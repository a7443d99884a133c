package faults

import "time"

// Kind is what somebody did.
type Kind string

const (
	Deliver  Kind = "deliver"
	List     Kind = "list"
	Retrieve Kind = "retrieve"
	Remove   Kind = "remove" // DELE of some messages and QUIT
)

// Outcome is what somebody knows of how it ended.
type Outcome string

const (
	OK      Outcome = "ok"      // acknowledged
	Failed  Outcome = "failed"  // a temporary error, or none in time: it may or may not have happened
	Gone    Outcome = "gone"    // retrieve: "no such message", which is final
	Unknown Outcome = "unknown" // the process was killed before it heard
)

// Op is one operation of one user of the library, as that user saw it. A history
// is all of them, of all processes. Times are of the machine's clock, which the
// processes share; that of the library may be wrong.
type Op struct {
	Kind    Kind
	Host    string // the process: "dc1/a"; a new one after it was killed has the same name
	DC      string
	Worker  int // of the process: it does one thing at a time
	User    string
	Call    time.Time
	Return  time.Time // zero where Outcome is Unknown
	Outcome Outcome
	Error   string
	POP3    bool `json:",omitempty"` // through the server, not through the library

	// Final: after everything was healed and repaired.
	Final bool

	// Deliver: what was delivered, and, where it was acknowledged, as what.
	Body    Body
	Message Message

	// List: all that was listed.
	Listed []Message

	// Retrieve: the message that was asked for is Message; Body is what came,
	// where Outcome is OK. Torn says that it is not what its own hash says, or
	// not as long as the listing.
	Torn string

	// Remove: what was to be removed.
	Removed []Message
}

// Body names the text of a message: each is delivered once, and it says itself
// who wrote it, with a hash of all of it.
type Body struct {
	Writer string
	Seq    int
	Hash   string
}

// Message is one as the library lists it.
type Message struct {
	ID   string
	UIDL string
	Size int64
}

// Fault is something that was done to the cluster, the link, a process or a
// clock, and when.
type Fault struct {
	Nemesis  string
	Target   string
	From, To time.Time
}
