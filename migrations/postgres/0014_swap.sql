-- The booking that took the place of one whose machine was not well when its tenant was to be let in.
ALTER TABLE booking ADD COLUMN replaced_by TEXT;
