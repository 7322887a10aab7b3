"""Write the tables into the documents."""

from tests.attacks.documents import written

for path, text in written().items():
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
