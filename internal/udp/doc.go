// Package udp owns how task events arrive: the datagram format, its checks and
// its sanitiser, the wire form under which a datagram is journalled, the list
// of allowed senders, the socket, and the configuration file that makes a Qlik
// Sense node send at all.
//
// It guarantees that no payload makes it panic or keeps more than a few
// kilobytes alive, that a text it returns holds none of U+0000 to U+001F
// and U+007F and at most 500 characters (others that can drive a terminal, U+0080 to
// U+009F, are kept, as the format has it: who shows a text takes them out), that a datagram accepted once is accepted again when it
// is read back from the journal, that a socket says how large its receive
// buffer really is and how much the kernel dropped, and that it gives no two
// datagrams the same time: they are at least a microsecond apart, in the order
// in which they came, unless the clock is set back by a second or more.
// Everything but Socket and AllowList.Resolve is pure.
//
// It must never decide what to do with what it refuses, and never start a goroutine
// that outlives the call.
package udp
