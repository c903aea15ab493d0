// Package udp owns how task events arrive: the datagram format, its checks and
// its sanitiser, the encoding of datagrams in the journal, the list of allowed
// senders, the socket, and the configuration file that makes a Qlik Sense node send
// events.
//
// It guarantees that
//   - no payload makes it panic or keeps more than a few kilobytes alive;
//   - a text that it returns has at most 500 characters and none of U+0000 to U+001F
//     and U+007F. It may have U+0080 to U+009F, which the format allows and terminals
//     interpret: whoever shows a text has to remove them;
//   - a datagram that was accepted is accepted again when it is read from the journal;
//   - a socket reports the granted size of its receive buffer and the kernel's drops;
//   - no two datagrams of a socket have the same time: they are at least a microsecond
//     apart, in the order of arrival, unless the clock is set back by a second or more.
//
// Everything but Socket and AllowList.Resolve is pure.
//
// It must never decide what to do with what it refuses, and never start a goroutine
// that outlives the call.
package udp
