package actorkit

import "testing"

func TestDispatcher_reusesTheRoomOfAQueueThatIsNeverEmpty(t *testing.T) {
	d := &dispatcher{limit: 1, running: 1}
	var order []int
	mailbox := func(i int) func() { return func() { order = append(order, i) } }
	const ahead, rounds = 3, 10_000
	for i := range ahead {
		d.Schedule(mailbox(i))
	}
	for i := range rounds {
		d.Schedule(mailbox(ahead + i))
		d.take()()
	}
	if got := cap(d.waiting); got > 100 {
		t.Errorf("the queue has room for %d mailboxes, and %d wait at most", got, ahead+1)
	}
	for i, got := range order {
		if got != i {
			t.Fatalf("mailbox %d ran as number %d", got, i)
		}
	}
}
