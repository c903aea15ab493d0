// Package qrsgate owns the one door to the Qlik Repository Service: it answers
// every look-up of the service, and protects the production database behind it.
//
// It guarantees that every command is answered exactly once, at its deadline at
// the latest; that no more than a fixed number of calls run at once; that equal
// questions share a call and questions of one kind share a request while they
// wait (up to fifty tasks, apps, or results of one type of task); that a call for a fresh answer begins after
// the question; and that "does not exist" is only said when the QRS said so.
// When the QRS is out of reach, a circuit breaker answers at once - with an
// older copy, marked stale, where there is one and the asker did not insist on a
// fresh answer - until a ping succeeds. What the QRS fails over again and again does
// not count as that, and is asked for alone. A crash loses the waiting commands;
// their askers have deadlines of their own and ask again.
//
// A script log that is not there yet is asked for again after the pause that the
// port names, and holds no call meanwhile.
//
// It must never block, and never repeat any other call by itself: the client
// repeats what may be repeated, the asker decides about the rest. Calls run on
// goroutines of actorkit.Effects, which a pool bounds, and end with the actor.
package qrsgate
