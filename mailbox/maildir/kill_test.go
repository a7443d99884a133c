package maildir

const childEnv = "POPCASK_MAILDIR_CHILD"

func runChild(string) {}
