"""The pictures of a Sample, for whoever reads datasets. See `media.pictures`, where they are made."""

from perceptlm.media.pictures import LoadedPictures, load_pictures, pictures_key, resolve_media_path

__all__ = ["LoadedPictures", "load_pictures", "pictures_key", "resolve_media_path"]
