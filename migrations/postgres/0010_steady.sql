-- What goes wrong elsewhere holds up nobody, and counts once.

-- An endpoint where nothing comes through rests until its next try.
ALTER TABLE webhook ADD COLUMN rests_until BIGINT;

-- When an instance was last found ill: who looks again right afterwards finds the same.
ALTER TABLE instance_health ADD COLUMN failed_at BIGINT;
