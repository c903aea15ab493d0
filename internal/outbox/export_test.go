package outbox

// Locked reports whether somebody holds the mutex that every record needs.
func (o *Outbox) Locked() bool {
	free := o.mu.TryLock()
	if free {
		o.mu.Unlock()
	}
	return !free
}
