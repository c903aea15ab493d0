package outbox

// Locked reports whether somebody holds the mutex that every record needs.
func (o *Outbox) Locked() bool {
	free := o.mu.TryLock()
	if free {
		o.mu.Unlock()
	}
	return !free
}

// Leaving reports whether somebody hands over that an alert goes, for which who
// records one has to wait.
func (o *Outbox) Leaving() bool {
	free := o.order.TryRLock()
	if free {
		o.order.RUnlock()
	}
	return !free
}
