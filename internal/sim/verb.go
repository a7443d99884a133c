package sim

// verb is something that can happen in a history.
type verb struct {
	args   []kind
	weight int                                   // how often it is drawn
	hazard string                                // what a menu leaves out to leave out the verb; "" for what is always there
	most   int                                   // attempts at statements that it may take, if it is an operation of a host; else 0
	each   int                                   // and so many more for each operation that there was before
	do     func(w *world, args [3]int) (ok bool) // false: it is impossible now, and nothing happens
}

// verbs are all verbs. A verb that is impossible at the moment does nothing.
var verbs map[string]verb

func init() {
	verbs = map[string]verb{
		// What hosts do.
		"deliver":      {args: []kind{aHost, aUser}, weight: 30, most: 9, do: (*world).deliver},
		"both":         {args: []kind{aHost}, weight: 3, most: 18, do: (*world).both},
		"flood":        {args: []kind{aHost, aUser}, weight: 1, most: 9 * floodMessages, do: (*world).flood},
		"large":        {args: []kind{aHost, aUser}, weight: 1, most: 13, do: (*world).large},
		"import":       {args: []kind{aHost, aUser, aLabel}, weight: 6, hazard: "import", most: 13, do: (*world).importMail},
		"list":         {args: []kind{aHost, aUser}, weight: 8, most: 4, each: 8, do: (*world).list},
		"read":         {args: []kind{aHost, aUser}, weight: 6, most: 4, each: 22, do: (*world).read},
		"remove":       {args: []kind{aHost, aUser, aShare}, weight: 14, most: 4, each: 20, do: (*world).remove},
		"again":        {args: []kind{aHost, aUser}, weight: 2, each: 8, do: (*world).again},
		"repair":       {args: []kind{aHost, aUser}, weight: 4, hazard: "repair", most: 60, each: 40, do: (*world).repairMailbox},
		"repairwholly": {args: []kind{aHost, aUser}, weight: 1, hazard: "repair", most: 60, each: 40, do: (*world).repairWholly},
		"freeze":       {args: []kind{aHost, aCount}, weight: 6, hazard: "freeze", do: (*world).freeze},
		"thaw":         {args: []kind{aHost}, weight: 5, hazard: "freeze", do: (*world).thaw},
		"crash":        {args: []kind{aHost, aCount}, weight: 6, hazard: "crash", do: (*world).crashAfter},
		"noanswer":     {args: []kind{aHost, aCount}, weight: 4, hazard: "loss", do: (*world).noAnswer},
		"noreach":      {args: []kind{aHost, aCount}, weight: 4, hazard: "loss", do: (*world).noReach},
		"clone":        {args: []kind{aHost}, weight: 2, hazard: "clone", do: (*world).clone},
		"clock":        {args: []kind{aHost, aSkew}, weight: 3, hazard: "clock", do: (*world).clock},

		// What nodes and networks do.
		"down":     {args: []kind{aNode}, weight: 7, hazard: "down", do: (*world).downNode},
		"up":       {args: []kind{aNode}, weight: 7, hazard: "down", do: (*world).upNode},
		"kill":     {args: []kind{aNode}, weight: 5, hazard: "forget", do: (*world).killNode},
		"overload": {args: []kind{aNode}, weight: 5, hazard: "overload", do: (*world).overload},
		"calm":     {args: []kind{aNode}, weight: 5, hazard: "overload", do: (*world).calm},
		"hints":    {args: []kind{aSwitch}, weight: 5, hazard: "hints", do: (*world).setHints},
		"arrive":   {weight: 3, do: (*world).arriveAll},
		"cut":      {weight: 4, hazard: "cut", do: (*world).cutLink},
		"mend":     {weight: 4, hazard: "cut", do: (*world).mendLink},
		"wait":     {args: []kind{aTime}, weight: 8, do: (*world).wait},

		// What operators do.
		"replace":     {args: []kind{aNode, aNode}, weight: 5, hazard: "forget", do: (*world).replaceNode},
		"restore":     {args: []kind{aNode}, weight: 2, hazard: "forget", do: (*world).restore},
		"snapshot":    {args: []kind{aNode}, weight: 3, hazard: "forget", do: (*world).snapshot},
		"add":         {args: []kind{aNode}, weight: 2, hazard: "forget", do: (*world).addNode},
		"remove-node": {args: []kind{aNode}, weight: 2, hazard: "forget", do: (*world).removeNode},
		"rebuild":     {args: []kind{aNode, aNode}, weight: 3, hazard: "replicas", do: (*world).rebuild},
		"replicas":    {args: []kind{aCentre, aFactor}, weight: 4, hazard: "replicas", do: (*world).setReplicas},
		"fullrepair":  {weight: 5, hazard: "fullrepair", do: (*world).fullRepair},
		"compact":     {args: []kind{aNode}, weight: 2, hazard: "compact", do: (*world).compact},
		"decade":      {weight: 2, hazard: "compact", do: (*world).decade},
	}
}
