package faults

import "time"

// Kind is a kind of operation.
type Kind string

const (
	Deliver  Kind = "deliver"
	List     Kind = "list"
	Retrieve Kind = "retrieve"
	Remove   Kind = "remove" // DELE of some messages and QUIT
)

// Outcome is what the caller knows of how an operation ended.
type Outcome string

const (
	OK      Outcome = "ok"      // acknowledged
	Failed  Outcome = "failed"  // a temporary error, or no answer in time: it may have happened or not
	Gone    Outcome = "gone"    // retrieve: "no such message", which is final
	Unknown Outcome = "unknown" // the process was killed before it heard
)

// Op is an operation of a host, as the host saw it. A history is all operations
// of all hosts. Times are those of the machine's clock, which all hosts share;
// the clock of the library may be wrong.
type Op struct {
	Kind    Kind
	Host    string // the process: "dc1/a"; a new one after it was killed has the same name
	DC      string
	Worker  int // of the process: it does one thing at a time
	User    string
	Call    time.Time
	Return  time.Time // zero if Outcome is Unknown
	Outcome Outcome
	Error   string
	POP3    bool `json:",omitempty"` // through the server, not through the library

	// Final: after everything was healed and repaired.
	Final bool

	// Deliver: the body, and, if it was acknowledged, the message.
	Body    Body
	Message Message

	// List: all that was listed.
	Listed []Message

	// Retrieve: Message is the one that was asked for. Body is what came, if
	// Outcome is OK. Torn says how it differs from its own hash, or from the
	// size in the listing.
	Torn string

	// Remove: the messages to remove.
	Removed []Message
}

// Body names the text of a message. Each text is delivered once. It names its
// writer, and has a hash of all of it.
type Body struct {
	Writer string
	Seq    int
	Hash   string
}

// Message is a message as the library lists it.
type Message struct {
	ID   string
	UIDL string
	Size int64
}

// Fault is what was done to the cluster, a link, a process or a clock, and
// when.
type Fault struct {
	Nemesis  string
	Target   string
	From, To time.Time
}
