package expected

import (
	"fmt"

	"butler/messages"
)

// Seen is the latest result for each subject. An error in it means that a later
// search was refused, and the rest is from before that.
type Seen map[string]Look

// Standing sums up the latest results of all subjects.
type Standing struct {
	// Missing and Odd are those of all looks.
	Missing, Odd []string
	// Refused says which subjects the repository does not let us search, and why.
	Refused []string
}

// Take records new results and returns the sum. A subject that could not be searched
// keeps its earlier result. soon reports that a repetition soon makes sense, because the
// repository was not available; a refusal would only repeat.
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
