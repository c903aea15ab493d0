package notify

import (
	"slices"

	"butler/messages"
)

// byInstance groups notices by their instance, in the order in which they came.
func byInstance(notices []messages.NoticeHead) [][]messages.NoticeHead {
	if len(notices) == 0 {
		return nil
	}
	foreign := func(n messages.NoticeHead) bool { return n.Instance != notices[0].Instance }
	if !slices.ContainsFunc(notices, foreign) {
		return [][]messages.NoticeHead{notices}
	}
	var groups [][]messages.NoticeHead
	place := map[string]int{}
	for _, n := range notices {
		at, known := place[n.Instance]
		if !known {
			at = len(groups)
			groups, place[n.Instance] = append(groups, nil), at
		}
		groups[at] = append(groups[at], n)
	}
	return groups
}
