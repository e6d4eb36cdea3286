"""File formats of images and label maps, NIfTI apart; `lesslabel.data.formats.reading` reads any of them."""
