// Package secret is what a server keeps of a user's password.
package secret
