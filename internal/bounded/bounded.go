// Package bounded keeps maps from growing.
package bounded

// Put puts a value into a map that has limit entries at most; negative: any
// number. If the map is full, some other entry goes. The map may be nil.
func Put[K comparable, V any](m *map[K]V, limit int, key K, value V) {
	if *m == nil {
		*m = make(map[K]V)
	}
	if _, there := (*m)[key]; !there && limit >= 0 && len(*m) >= limit {
		for victim := range *m {
			delete(*m, victim)
			break
		}
	}
	(*m)[key] = value
}
