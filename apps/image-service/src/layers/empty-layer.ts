/** The diff id of an archive with nothing in it: as dockerd, an image has no such layer, and its history says so. */
export const EMPTY_LAYER = 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef';
