package expected

import (
	"fmt"

	"butler/messages"
)

// Seen is what was seen of each subject last. With an error, that it could not be looked
// for since.
type Seen map[string]Look

// Standing is how what is expected stands, as far as it was seen.
type Standing struct {
	// Missing and Odd are those of all looks.
	Missing, Odd []string
	// Refused tells what must not be looked for, and why.
	Refused []string
}

// Take notes looks at all subjects and returns how things stand. What could not be
// looked for is as it was. It reports whether to look again soon, because the
// repository was in no state to answer: what it refuses now, it will refuse in a moment.
func (s Seen) Take(looks []Look) (now Standing, soon bool) {
	for _, look := range looks {
		last := s[look.Subject]
		switch {
		case look.Err == nil:
			last = look
			s[look.Subject] = last
		case messages.FailureOf(look.Err).Retryable():
			soon = true
		default:
			last.Err = look.Err
			s[look.Subject] = last
		}
		now.Missing, now.Odd = append(now.Missing, last.Missing...), append(now.Odd, last.Odd...)
		if last.Err != nil {
			now.Refused = append(now.Refused, fmt.Sprintf("the %s cannot be looked for: %v", look.Subject, last.Err))
		}
	}
	return now, soon
}
