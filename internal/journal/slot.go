package journal

// slot is what the index knows of a live key.
type slot struct {
	// text is the key, and behind it the value when size <= inlineValue: both
	// share one piece of memory and go with the slot.
	text  string
	seq   Seq
	entry uint32
	size  uint32 // of the value
	key   uint32 // the length of the key
}

func (s *slot) at() place      { return place{s.seq, s.entry} }
func (s *slot) inline() string { return s.text[s.key:] }

// Name implements keyed.Named.
func (s slot) Name() string { return s.text[:s.key] }
