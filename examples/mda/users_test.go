package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// All addresses of a user of the file are one user to the brake; in the table each
// is a user of its own.
func TestNamesToTheBrake(t *testing.T) {
	brake := options{}.brake()
	require.Equal(t, "bob", brake.Name("bob@example.org"))
	require.Equal(t, "bob", brake.Name("bob"))
	require.Equal(t, "at@home", brake.Name("at@home@example.org"))
	require.Nil(t, options{usersTable: true}.brake().Name)
}
