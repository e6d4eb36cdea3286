"""File formats of images and label maps; `lesslabel.data.formats.reading` reads any of them."""
