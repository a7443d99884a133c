package pop3

var (
	DefaultConnections = defaultConnections
	MaxFiles           = maxFiles
)
