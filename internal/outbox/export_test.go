package outbox

// Locked reports whether mu, which every recording needs, is locked.
func (o *Outbox) Locked() bool {
	free := o.mu.TryLock()
	if free {
		o.mu.Unlock()
	}
	return !free
}

// Leaving reports whether order is locked for the removal of an alert, so that recording
// has to wait.
func (o *Outbox) Leaving() bool {
	free := o.order.TryRLock()
	if free {
		o.order.RUnlock()
	}
	return !free
}
