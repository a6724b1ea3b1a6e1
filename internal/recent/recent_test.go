package recent

import "testing"

func TestWhatIsUsedStays(t *testing.T) {
	m := Map[int, string]{Limit: 10}
	m.Put(0, "used")
	for i := 1; i < 1000; i++ {
		m.Put(i, "once")
		if value, ok := m.Get(0); !ok || value != "used" {
			t.Fatalf("what is used was dropped after %d others", i)
		}
	}
	size := len(m.young) + len(m.aged)
	if size > 20 {
		t.Errorf("%d entries, want at most 20", size)
	}
	if _, ok := m.Get(1); ok {
		t.Error("what is not used is still there")
	}
	if _, ok := m.Get(999); !ok {
		t.Error("what came last is gone")
	}
	if m.Dropped != uint64(1000-size) {
		t.Errorf("%d of 1000 were dropped, and %d are left", m.Dropped, size)
	}
}

func TestPutReplaces(t *testing.T) {
	m := Map[int, string]{Limit: 2}
	m.Put(1, "a")
	m.Put(1, "b")
	if value, _ := m.Get(1); value != "b" {
		t.Errorf("got %q", value)
	}
}
