"""Knowledge-graph embeddings and the song encoder that recall and ranking share."""

import warnings

# PyKEEN and torch-geometric compile helpers, on import, with a torch call that is on its way out: nothing a user could act on.
warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated", category=FutureWarning)
