// Package recent holds what was used lately, in bounded memory.
package recent

// Map is a map of what was used lately: between one and two times as many entries
// as its limit. When so many were used since it was half full last, what was not
// among them is dropped at once. It is for one goroutine.
type Map[K comparable, V any] struct {
	// Limit is how many entries are kept at least, once there are so many.
	Limit int
	// Dropped counts the entries that were dropped to make room.
	Dropped uint64

	young, aged map[K]V
}

// Get finds an entry, which thereby was used.
func (m *Map[K, V]) Get(key K) (V, bool) {
	if value, ok := m.young[key]; ok {
		return value, true
	}
	value, ok := m.aged[key]
	if ok {
		delete(m.aged, key)
		m.Put(key, value)
	}
	return value, ok
}

// Put enters a value, in place of what the key has.
func (m *Map[K, V]) Put(key K, value V) {
	if m.young == nil || len(m.young) >= m.Limit {
		m.Dropped += uint64(len(m.aged))
		m.young, m.aged = make(map[K]V), m.young
	}
	m.young[key] = value
}
