// Package qrsgate owns the look-ups of executions in the Qlik Repository Service: it
// answers all of them, and protects the production database behind it. Their number
// follows that of the events. Starting tasks, the monitors and the check of configured
// names are bounded by their own callers and schedules, and call the client themselves.
//
// It guarantees that
//   - every command is answered exactly once, at its deadline at the latest;
//   - no more than a fixed number of its calls run at once;
//   - equal questions share a call, and waiting questions of one kind share a request
//     (up to fifty tasks, apps, or results of one type of task);
//   - a call for a fresh answer begins after the question;
//   - "does not exist" is only answered when the QRS said so.
//
// When the QRS is out of reach, a circuit breaker answers at once until a ping succeeds:
// with a cached answer, marked stale, if there is one and the asker accepts it. An
// object over which the QRS fails again and again does not open the breaker, and is
// asked for in calls of its own. A script log that does not exist yet is asked for again
// after the pause that the port names. A crash cancels the running
// calls, and answers every waiting command with a failure that is worth trying again.
//
// Its answers about tasks are also in a ReadCache for some seconds, where executions find
// them without a message.
//
// It must never block, and never repeat any other call by itself: the client
// repeats what may be repeated, the asker decides about the rest. Calls run on
// goroutines of actorkit.Effects, which a pool bounds, and end with the actor.
package qrsgate
