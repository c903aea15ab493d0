package journal

import "testing"

// big is a record of which two fit the memory of a backlog, but not three.
func big() recordContent {
	return recordContent{at: when, entries: [][]byte{make([]byte, backlogBytes*2/5)}}
}

func TestBacklog_keepsAnUnbrokenRunInMemory(t *testing.T) {
	var b backlog
	for seq := Seq(1); seq <= 3; seq++ {
		b.add(seq, big(), nil, cached)
	}
	if _, state := b.next(10); state != nextGiven {
		t.Fatalf("record 1: want it given, got %v", state)
	}
	// There is room again, but record 3 is only on disk: one read is to fetch it
	// together with everything behind it.
	b.add(4, recordContent{at: when, entries: [][]byte{{1}}}, nil, cached)
	if _, state := b.next(10); state != nextGiven {
		t.Fatalf("record 2: want it given, got %v", state)
	}
	if rec, state := b.next(10); state != nextFetch || rec.Seq != 3 {
		t.Fatalf("record 3: want it fetched, got %d, %v", rec.Seq, state)
	}
	if !b.fill(3, big(), nil) || !b.fill(4, recordContent{at: when, entries: [][]byte{{1}}}, nil) {
		t.Fatal("the read stops before record 4")
	}
	b.add(5, recordContent{at: when}, nil, cached)
	for seq := Seq(3); seq <= 5; seq++ {
		if rec, state := b.next(10); state != nextGiven || rec.Seq != seq {
			t.Fatalf("record %d: want it given from memory, got %d, %v", seq, rec.Seq, state)
		}
	}
	if b.memory != 0 || b.holes != 0 {
		t.Errorf("with everything given: want no memory and no holes, got %d bytes and %d", b.memory, b.holes)
	}
}

func TestBacklog_creditIsCountedInEntries(t *testing.T) {
	var b backlog
	three := recordContent{at: when, entries: [][]byte{{1}, {2}, {3}}}
	for seq := Seq(1); seq <= 4; seq++ {
		b.add(seq, three, nil, cached)
	}
	for given, want := range []nextState{nextGiven, nextGiven, nextWait} {
		if _, state := b.next(4); state != want {
			t.Fatalf("after %d records of three entries, with a credit of 4: want %v, got %v", given, want, state)
		}
	}
	b.ack(2)
	if _, state := b.next(4); state != nextGiven {
		t.Errorf("with one record acknowledged: want the next given, got %v", state)
	}
}
