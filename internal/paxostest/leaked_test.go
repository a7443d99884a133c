package paxostest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// One search of goleak gives up after half a second.
func TestLeakedWaitsForTheDriver(t *testing.T) {
	go time.Sleep(2 * time.Second) // as the driver between two tries to connect
	assert.NoError(t, leaked(time.Minute))
}

func TestLeakedShowsWhatStays(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	go func() { <-stop }()
	assert.ErrorContains(t, leaked(0), "TestLeakedShowsWhatStays")
}
