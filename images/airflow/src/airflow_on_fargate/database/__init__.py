"""Operations on the metadata database: one at a time, snapshots, deletion of old history."""
