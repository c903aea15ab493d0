package main

import "butler/internal/text"

// maxEventText is how many characters surely fit into an entry of the event log of Windows,
// which takes 31,839 units of UTF-16.
const maxEventText = 15_000

// eventText returns the reason why a service failed as the text of such an entry.
func eventText(complaints string) string { return text.Prose(complaints, maxEventText) }
